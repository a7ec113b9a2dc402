# frozen_string_literal: true

require 'socket'

module LaminaRuntime
  # One event for the handler, as it came.
  class Invocation
    attr_reader :payload, :request_id

    def initialize(headers, payload)
      @headers = headers
      @payload = payload.force_encoding(Encoding::UTF_8)
      @request_id = headers.fetch('lambda-runtime-aws-request-id')
    end

    def deadline_ms
      @headers.fetch('lambda-runtime-deadline-ms', 0).to_i
    end

    { trace_id: 'trace-id', function_arn: 'invoked-function-arn', client_context: 'client-context',
      cognito_identity: 'cognito-identity', tenant_id: 'aws-tenant-id' }.each do |name, header|
      define_method(name) { @headers["lambda-runtime-#{header}"] }
    end
  end

  # The server answered what the Runtime API does not allow; the runtime cannot go on.
  class RuntimeApiError < StandardError
  end

  # A client of the Runtime API (2018-06-01) over one kept-alive connection. The answer to an invocation and the request
  # for the next one leave in one write, and come back in that order; `net/http` would need two, and time to load.
  class RuntimeApi
    PATH = '/2018-06-01/runtime'
    RECEIVE = 65_536
    MAX_HEAD = 1 << 20
    LOST = [Errno::ECONNRESET, Errno::EPIPE, EOFError].freeze

    def initialize(address)
      @address = address
      host, _, port = address.rpartition(':')
      @place = [host, port.to_i]
      @next = "GET #{PATH}/invocation/next HTTP/1.1\r\nHost: #{address}\r\n\r\n".b
      @socket = nil
    end

    # Waits for the first invocation.
    def next
      invocation(exchange([@next]).first)
    end

    # Sends the result of an invocation, or its error when it has an `error_type`, and waits for the next one.
    def answer(request_id, body, content_type, error_type = nil)
      what = error_type ? 'error' : 'response'
      invocation(exchange([post("/invocation/#{request_id}/#{what}", body, content_type, error_type), @next]).last)
    end

    # Reports an error of an invocation without asking for the next one.
    def fail(request_id, error_type, body)
      exchange([post("/invocation/#{request_id}/error", body, Fault::CONTENT_TYPE, error_type)])
    end

    # Reports that the function could not be initialised.
    def fail_init(error_type, body)
      exchange([post('/init/error', body, Fault::CONTENT_TYPE, error_type)])
    end

    private

    def post(path, body, content_type, error_type)
      head = +"POST #{PATH}#{path} HTTP/1.1\r\nHost: #{@address}\r\nContent-Type: #{content_type}\r\n"
      head << "Lambda-Runtime-Function-Error-Type: #{error_type.gsub(/[^ -~]/, '?')}\r\n" if error_type
      head << "Content-Length: #{body.bytesize}\r\n\r\n"
      head.b << body.b
    end

    # The answers to the requests, in order. A server that has closed an old connection is asked once more.
    def exchange(requests)
      answers = []
      fresh = @socket.nil?
      begin
        connect unless @socket
        @socket.write(requests.drop(answers.size).join)
        answers << receive while answers.size < requests.size
      rescue *LOST
        disconnect
        raise if fresh

        fresh = true
        retry
      end
      answers
    end

    def connect
      @received = ''.b
      @socket = TCPSocket.new(*@place)
      @socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
      @socket.sync = true
    end

    def disconnect
      @socket&.close
      @socket = nil
    end

    # One answer: its status, its headers by lower-case name, and its body.
    def receive
      status, headers = parsed(receive_until("\r\n\r\n"))
      chunked = headers['transfer-encoding'].to_s.casecmp?('chunked')
      [status, headers, chunked ? receive_chunks : receive_bytes(headers.fetch('content-length', 0).to_i)]
    end

    def receive_chunks
      body = ''.b
      while (size = receive_until("\r\n").to_i(16)).positive?
        body << receive_bytes(size)
        receive_until("\r\n")
      end
      nil until receive_until("\r\n").empty?
      body
    end

    def receive_until(mark)
      until (size = @received.index(mark))
        raise RuntimeApiError, 'The server sent a header without an end.' if @received.bytesize > MAX_HEAD

        @received << @socket.readpartial(RECEIVE)
      end
      found = @received.byteslice(0, size)
      @received = @received.byteslice(size + mark.bytesize..-1)
      found
    end

    def receive_bytes(length)
      @received << @socket.readpartial(length - @received.bytesize) while @received.bytesize < length
      found = @received.byteslice(0, length)
      @received = @received.byteslice(length..-1)
      found
    end

    def parsed(head)
      first, *lines = head.force_encoding(Encoding::UTF_8).split("\r\n")
      status = first.to_s[%r{\AHTTP/1\.[01] (\d{3})}, 1]
      raise RuntimeApiError, "The server sent no HTTP: #{first.inspect}" unless status

      headers = lines.map { |line| line.split(':', 2) }
      [status.to_i, headers.map { |name, value| [name.downcase, value.to_s.strip] }.to_h]
    end

    def invocation(answer)
      status, headers, body = answer
      return Invocation.new(headers, body) if status == 200

      raise RuntimeApiError, "The server answered #{status} to the request for an invocation."
    end
  end
end
