# frozen_string_literal: true

require 'json'

module LaminaRuntime
  # The method that the `Handler` setting names: `file.method`, or `file.Class.method` with a class method.
  class Handler
    def self.load(name)
      parts = name.split('.')
      unless [2, 3].include?(parts.size)
        raise ArgumentError, "Invalid handler #{parts}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD " \
                             'where FILENAME corresponds with an existing Ruby source file FILENAME.rb, CLASS is an ' \
                             'optional module/class namespace and METHOD is a callable method. If using CLASS, ' \
                             'METHOD must be a class-level method.'
      end
      Kernel.require(parts.first)
      new(parts[1...-1].first, parts.last)
    end

    def initialize(class_name, method_name)
      @class_name = class_name
      @method_name = method_name
    end

    # The answer as bytes and their type. What is no stream becomes JSON, by its own `to_json`.
    def call(event, context)
      result = receiver.__send__(@method_name, event: event, context: context)
      stream?(result) ? [result.read.to_s, 'application/unknown', nil] : [result.to_json, 'application/json', nil]
    end

    private

    def receiver
      @class_name ? Kernel.const_get(@class_name) : TOPLEVEL_BINDING.receiver
    end

    def stream?(result)
      result.is_a?(IO) || (defined?(::StringIO) && result.is_a?(::StringIO))
    end
  end
end
