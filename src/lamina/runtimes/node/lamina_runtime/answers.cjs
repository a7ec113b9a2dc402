"use strict";
// Reading HTTP/1.1 answers out of the pieces in which they arrive.

const END_OF_HEAD = "\r\n\r\n";
const NOTHING = Buffer.alloc(0);
const MAX_HEAD = 1 << 20;

/** Takes chunks and gives answers: `{ status, headers, body }` with lower-case header names. */
class AnswerReader {
  constructor() {
    this._rest = NOTHING;
    this._answer = null; // The answer whose body is being read.
    this._pieces = [];
    this._missing = 0;
  }

  /** The answers that this chunk completes. */
  read(chunk) {
    const answers = [];
    let rest = chunk;
    while (rest !== null) {
      rest = this._answer === null ? this._readHead(rest) : this._readBody(rest);
      if (this._answer !== null && this._missing === 0) answers.push(this._complete());
    }
    return answers;
  }

  _readHead(chunk) {
    const received = this._rest.length ? Buffer.concat([this._rest, chunk]) : chunk;
    const end = received.indexOf(END_OF_HEAD);
    if (end < 0) {
      if (received.length > MAX_HEAD) throw new Error("The server sent a header without an end.");
      this._rest = received;
      return null;
    }
    this._rest = NOTHING;
    this._answer = parseHead(received.toString("utf8", 0, end));
    this._missing = Number(this._answer.headers["content-length"] || 0);
    return rest(received, end + END_OF_HEAD.length);
  }

  _readBody(chunk) {
    const piece = chunk.subarray(0, this._missing);
    this._pieces.push(piece);
    this._missing -= piece.length;
    return rest(chunk, piece.length);
  }

  _complete() {
    const answer = this._answer;
    answer.body = this._pieces.length === 1 ? this._pieces[0] : Buffer.concat(this._pieces);
    this._answer = null;
    this._pieces = [];
    return answer;
  }
}

function rest(buffer, start) {
  return start < buffer.length ? buffer.subarray(start) : null;
}

function parseHead(text) {
  const [first, ...lines] = text.split("\r\n");
  const match = /^HTTP\/1\.[01] (\d{3})/.exec(first);
  if (!match) throw new Error(`The server sent no HTTP: ${first}`);
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  if (headers["transfer-encoding"]) throw new Error("The server sent a body without a length.");
  return { status: Number(match[1]), headers, body: NOTHING };
}

module.exports = { AnswerReader };
