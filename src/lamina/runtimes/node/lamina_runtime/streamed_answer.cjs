"use strict";
// The response of one invocation in the streaming mode of the Runtime API: chunks as they come, and trailers for an error
// that comes too late for anything else.

const LINE_END = "\r\n";
const ERROR_TYPE = "Lambda-Runtime-Function-Error-Type";
const ERROR_BODY = "Lambda-Runtime-Function-Error-Body";
const STREAMING =
  "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n" +
  `Trailer: ${ERROR_TYPE}, ${ERROR_BODY}\r\n\r\n`;

/** Nothing is sent before the first `write` or `end`; `connection` is a `RuntimeApi`, `target` what is posted to. */
class StreamedAnswer {
  constructor(connection, target) {
    this.contentType = "application/octet-stream";
    this.begun = false;
    this.ended = false;
    this._connection = connection;
    this._target = target;
  }

  /** Send pieces as one chunk; the callback comes when there is room for more. */
  write(pieces, callback) {
    this._send(chunk(pieces), callback);
  }

  /** Send the last pieces, and the end. */
  end(pieces, callback) {
    this._send([...chunk(pieces), ...this.ending()], callback);
  }

  /** What ends the response where it is, with the fault if there is one. */
  ending(fault) {
    if (this.ended) return [];
    this.ended = true;
    return [text(`0\r\n${fault ? trailers(fault) : ""}\r\n`)];
  }

  _send(pieces, callback) {
    let head = [];
    if (!this.begun) {
      this.begun = true;
      this._connection.beginStream(this);
      head = [text(`${this._target}Content-Type: ${printable(this.contentType)}\r\n${STREAMING}`)];
    }
    this._connection.write([...head, ...pieces], callback);
  }
}

function chunk(pieces) {
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
  // An empty chunk would be the end.
  return size === 0 ? [] : [text(size.toString(16) + LINE_END), ...pieces, text(LINE_END)];
}

function trailers(fault) {
  return `${ERROR_TYPE}: ${printable(fault.errorType)}\r\n${ERROR_BODY}: ${fault.body().toString("base64")}\r\n`;
}

function printable(value) {
  return value.replace(/[^ -~]/g, "?");
}

function text(value) {
  return Buffer.from(value, "latin1");
}

module.exports = { StreamedAnswer };
