# frozen_string_literal: true

require 'json'
require 'logger'
require 'time'

module LaminaRuntime
  # Standard output and the `Logger` class as functions find them on AWS.
  module Logs
    LEVELS = { 'TRACE' => 0, 'DEBUG' => 0, 'INFO' => 1, 'WARN' => 2, 'ERROR' => 3, 'FATAL' => 4 }.freeze

    # What a function's own Logger writes with when it writes to standard output or error and has no formatter.
    class TextFormatter < ::Logger::Formatter
      FORMAT = "%s, [%s #%d] %5s %s -- %s: %s\n"

      def call(severity, time, progname, message)
        shown = format_datetime(time)
        format(FORMAT, severity[0..0], shown, Process.pid, severity, Logs.request_id, progname, msg2str(message))
      end
    end

    # One JSON object a record, for functions with the log format JSON.
    class JsonFormatter < ::Logger::Formatter
      def call(severity, time, _progname, message)
        record = { timestamp: time.utc.iso8601(3), level: severity == 'ANY' ? 'INFO' : severity,
                   requestId: Logs.request_id, message: Logs.printable(message) }
        "#{JSON.generate(record)}\n"
      end
    end

    # Gives loggers of standard output and error the runtime's formatter and level.
    module Patch
      def initialize(device = nil, *rest, **options)
        super
        return unless device.nil? || device.equal?($stdout) || device.equal?($stderr)

        self.formatter ||= Logs.formatter
        self.level = Logs.level if Logs.level && !options.key?(:level)
      end
    end

    class << self
      attr_reader :formatter, :level, :request_id

      def open_streams
        [$stdout, $stderr].each do |stream|
          stream.sync = true
          stream.set_encoding(Encoding::UTF_8)
        end
      end

      # Sets up the format that the function asks for.
      def configure(environment)
        @json = environment['AWS_LAMBDA_LOG_FORMAT'] == 'JSON'
        @formatter = @json ? JsonFormatter.new : TextFormatter.new
        @level = @json ? LEVELS[environment['AWS_LAMBDA_LOG_LEVEL']] : nil
        @request_id = ''
        ::Logger.prepend(Patch)
      end

      # From now on records belong to this request.
      def begin(request_id)
        @request_id = request_id
      end

      # Writes an error that the function did not rescue.
      def fault(fault, title)
        text =
          if @json
            record = { timestamp: Time.now.utc.iso8601(3), level: 'ERROR', requestId: @request_id, message: title }
            JSON.generate(record.merge(fault.payload))
          else
            "#{title}\n#{JSON.pretty_generate(fault.payload)}"
          end
        STDOUT.write("#{text}\n")
      rescue IOError, SystemCallError
        nil # The function has closed its output.
      end

      def printable(message)
        return "#{message.message} (#{message.class})" if message.is_a?(Exception)

        JSON.generate(message)
        message
      rescue StandardError
        Fault.printable(message.inspect)
      end
    end
  end
end
