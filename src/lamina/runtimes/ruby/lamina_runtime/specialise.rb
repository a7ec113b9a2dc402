# frozen_string_literal: true

require 'json'
require 'rbconfig'

module LaminaRuntime
  # How a process that only knows its language becomes the process of one function.
  module Specialise
    CONTROL = 3
    OWN = File.dirname(__dir__)

    module_function

    # What a Ruby that is started as usual has loaded by now.
    def load_gems
      require 'rubygems'
      require 'did_you_mean'
    rescue LoadError
      nil # Each is left out by some distributions of Ruby.
    end

    # Reads the control pipe to its end and takes the environment of the function from it. While the process waits
    # nothing of the function exists for it: neither its variables nor its code.
    def wait
      missing = library_directories.reject { |directory| File.directory?(directory) }
      control = IO.for_fd(CONTROL, 'rb')
      ENV.replace(JSON.parse(control.read).fetch('environment'))
      control.close
      # The dynamic linker has noted that these directories do not exist and would never look again.
      start_anew if missing.any? { |directory| File.directory?(directory) }
      Gem.clear_paths if defined?(::Gem)
    end

    # Goes to the function's code and puts it, and what layers bring, first on the load path.
    def enter_task_root
      root = ENV.fetch('LAMBDA_TASK_ROOT', '/var/task')
      layers = ENV.delete('LAMINA_LAYERS_ROOT') || '/opt'
      Dir.chdir(root)
      chosen = ENV.fetch('RUBYLIB', '').split(File::PATH_SEPARATOR)
      before = chosen.reject { |entry| [root, OWN].include?(entry) }
      # What -I has added for an interpreter that lies elsewhere than it was built for stands behind these.
      $LOAD_PATH.replace([root, *before, "#{layers}/ruby/lib", *$LOAD_PATH].uniq)
    end

    def library_directories
      ENV.fetch('LD_LIBRARY_PATH', '').split(':').reject(&:empty?)
    end

    def start_anew
      exec(*File.binread('/proc/self/cmdline').split("\0"))
    end
  end
end
