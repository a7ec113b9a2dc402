# frozen_string_literal: true

require 'json'

module LaminaRuntime
  # The context object of an invocation (Lambda Developer Guide, "Ruby context object").
  class Context
    attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name, :function_name,
                :memory_limit_in_mb, :function_version, :identity, :client_context, :deadline_ms, :tenant_id

    def initialize(invocation)
      # The wall clock may be set while the function runs; the time that is left must not jump with it.
      @clock_difference = now(Process::CLOCK_REALTIME) - now(Process::CLOCK_MONOTONIC)
      @deadline_ms = invocation.deadline_ms
      @aws_request_id = invocation.request_id
      @invoked_function_arn = invocation.function_arn
      @log_group_name = ENV['AWS_LAMBDA_LOG_GROUP_NAME']
      @log_stream_name = ENV['AWS_LAMBDA_LOG_STREAM_NAME']
      @function_name = ENV['AWS_LAMBDA_FUNCTION_NAME']
      @memory_limit_in_mb = ENV['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']
      @function_version = ENV['AWS_LAMBDA_FUNCTION_VERSION']
      @identity = parsed(invocation.cognito_identity)
      @client_context = parsed(invocation.client_context)
      @tenant_id = invocation.tenant_id
    end

    # Milliseconds until the invocation times out; never negative.
    def get_remaining_time_in_millis
      [@deadline_ms - now(Process::CLOCK_MONOTONIC) - @clock_difference, 0].max
    end

    private

    def now(clock)
      Process.clock_gettime(clock, :millisecond)
    end

    def parsed(text)
      text.to_s.empty? ? nil : JSON.parse(text)
    end
  end
end
