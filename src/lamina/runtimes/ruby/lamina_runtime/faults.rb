# frozen_string_literal: true

require 'json'

module LaminaRuntime
  # An exception in the form in which AWS reports it: its type is `Function<RuntimeError>`, or `Init<LoadError>` while
  # the function is loaded.
  class Fault
    CONTENT_TYPE = 'application/vnd.aws.lambda.error+json'
    LINES = 100
    OWN = File.dirname(__dir__) + File::SEPARATOR

    attr_reader :type

    def initialize(error, classification)
      @type = "#{classification}<#{error.class}>"
      @message = text(error)
      @trace = Fault.trace(error)
    end

    # The recorded error payload; its order of keys is AWS's.
    def payload
      { errorMessage: @message, errorType: @type, stackTrace: @trace }
    end

    def body
      JSON.generate(payload)
    end

    # The frames of the function's code. The first of the bootstrap's own, and all that called it, are left out.
    def self.trace(error)
      lines = (error.backtrace || []).map { |line| printable(line) }
      lines.take_while { |line| !line.start_with?(OWN) }.first(LINES)
    end

    def self.printable(text)
      utf8 = text.encoding == Encoding::UTF_8 ? text : text.encode(Encoding::UTF_8, invalid: :replace, undef: :replace)
      utf8.scrub
    end

    private

    def text(error)
      Fault.printable(error.message.to_s)
    rescue StandardError => failure
      "<the message of the exception failed: #{failure.class}>"
    end
  end
end
