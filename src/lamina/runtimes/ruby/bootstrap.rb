# frozen_string_literal: true

# The Ruby runtime: what runs in an execution environment of a `ruby…` function.
#
# It keeps to the syntax of Ruby 2.5 and is started without RubyGems, which it loads itself: so nothing of the gems'
# prelude rewrites the messages of a function's errors. As on AWS, the version of `json` is the interpreter's.

require_relative 'lamina_runtime/context'
require_relative 'lamina_runtime/faults'
require_relative 'lamina_runtime/handler'
require_relative 'lamina_runtime/logs'
require_relative 'lamina_runtime/runtime_api'
require_relative 'lamina_runtime/specialise'

module LaminaRuntime
  # The exit statuses of AWS's runtime: -4 and -1.
  INIT_FAILED = 252
  CRITICAL = 255

  # Becomes the function of the environment and serves its invocations until the process ends.
  module Bootstrap
    module_function

    def main
      Logs.open_streams
      generic = ENV['LAMINA_GENERIC'] == '1'
      Specialise.load_gems
      Specialise.wait if generic
      Logs.configure(ENV)
      api = RuntimeApi.new(ENV.fetch('AWS_LAMBDA_RUNTIME_API'))
      Specialise.enter_task_root
      handler = initialised(ENV.fetch('_HANDLER', ''), api)
      serve(handler, api)
    end

    def initialised(name, api)
      Handler.load(name)
    rescue Exception => error # rubocop:disable Lint/RescueException: whatever the function's own code raises
      fault = Fault.new(error, 'Init')
      Logs.fault(fault, "Init error when loading handler #{name}")
      api.fail_init(fault.type, fault.body)
      exit!(INIT_FAILED)
    end

    def serve(handler, api)
      invocation = api.next
      loop do
        Logs.begin(invocation.request_id)
        trace(invocation.trace_id)
        body, type, error_type = run(handler, invocation, api)
        flush
        invocation = api.answer(invocation.request_id, body, type, error_type)
      end
    end

    # The answer: its bytes, their type, and the type of the error if it is one.
    def run(handler, invocation, api)
      handler.call(JSON.parse(invocation.payload), Context.new(invocation))
    rescue Exception => error # rubocop:disable Lint/RescueException
      fault = Fault.new(error, 'Function')
      critical = error.is_a?(NameError) || !error.is_a?(StandardError)
      Logs.fault(fault, critical ? 'Critical exception from handler' : 'Error raised from handler method')
      give_up(invocation, fault, api) if critical
      [fault.body, Fault::CONTENT_TYPE, fault.type]
    end

    def give_up(invocation, fault, api)
      flush
      api.fail(invocation.request_id, fault.type, fault.body)
      exit!(CRITICAL)
    end

    def trace(trace_id)
      ENV['_X_AMZN_TRACE_ID'] = trace_id.to_s.empty? ? nil : trace_id
    end

    def flush
      [$stdout, $stderr].each { |stream| stream.flush if stream.respond_to?(:flush) }
    rescue IOError, SystemCallError
      nil # A stream that the function has closed has nothing to say.
    end
  end
end

LaminaRuntime::Bootstrap.main if $PROGRAM_NAME == __FILE__
