"use strict";
// A client of the Runtime API (2018-06-01) over one kept-alive connection. The answer to an invocation and the request
// for the next one leave in one write, and come back in that order; Node's own http module would need two.

const net = require("net");
const { AnswerReader } = require("./answers.cjs");
const { StreamedAnswer } = require("./streamed_answer.cjs");

const PATH = "/2018-06-01/runtime";
const LOST = new Set(["ECONNRESET", "EPIPE", "EOF"]);

/** One event for the handler, as it came: `payload` is a buffer. */
class Invocation {
  constructor({ status, headers, body }) {
    if (status !== 200) throw new Error(`The server answered ${status} to the request for an invocation.`);
    this.payload = body;
    this.requestId = headers["lambda-runtime-aws-request-id"];
    this.traceId = headers["lambda-runtime-trace-id"];
    this.deadlineMs = Number(headers["lambda-runtime-deadline-ms"] || 0);
    this.functionArn = headers["lambda-runtime-invoked-function-arn"];
    this.clientContext = headers["lambda-runtime-client-context"];
    this.cognitoIdentity = headers["lambda-runtime-cognito-identity"];
    this.tenantId = headers["lambda-runtime-aws-tenant-id"];
  }
}

class RuntimeApi {
  constructor(address) {
    const [, host, port] = /^(.*):(\d+)$/.exec(address);
    this._address = { host, port: Number(port), noDelay: true };
    this._host = address;
    this._next = Buffer.from(`GET ${PATH}/invocation/next HTTP/1.1\r\nHost: ${address}\r\n\r\n`);
    this._socket = null;
    this._exchange = null;
    this._streaming = null; // The last answer that was streamed, and the server's answers to it.
    this.used = false; // Whether an invocation was ever asked for.
  }

  /** Wait for the first invocation. */
  async next() {
    this.used = true;
    return new Invocation((await this._ask([this._next]))[0]);
  }

  /** Send the result of an invocation, or its error when it has an `errorType`, and wait for the next one. */
  async answer(requestId, body, errorType) {
    const what = errorType === undefined ? "response" : "error";
    const post = this._post(`/invocation/${requestId}/${what}`, body, errorType);
    return new Invocation((await this._ask([post, this._next]))[1]);
  }

  /** The answer to an invocation that is sent while it comes into being. */
  streamedAnswer(requestId) {
    return new StreamedAnswer(this, `POST ${PATH}/invocation/${requestId}/response HTTP/1.1\r\nHost: ${this._host}\r\n`);
  }

  /** End a streamed answer, with the fault if there is one, and wait for the next invocation. */
  async endStream(streamed, fault) {
    this._socket?.ref();
    this.write([...streamed.ending(fault), this._next]);
    return new Invocation((await this._streaming.answers)[1]);
  }

  /** For a `StreamedAnswer`: it has begun. It and the next invocation are one exchange, which cannot be repeated. */
  beginStream(streamed) {
    const answers = new Promise((resolve, reject) => {
      this._exchange = { expected: 2, answers: [], resolve, reject, fresh: true };
    });
    answers.catch(() => {}); // Whoever waits for it is told.
    this._streaming = { streamed, answers };
    if (this._socket === null) this._connect();
  }

  /** For a `StreamedAnswer`: send pieces; the callback comes when there is room for more. */
  write(pieces, callback) {
    if (this._socket !== null) this._socket.write(Buffer.concat(pieces), callback);
    else if (callback) callback(new Error("The connection to the Runtime API is lost."));
  }

  /** Report an error of an invocation without asking for the next one. */
  async fail(requestId, errorType, body) {
    if (this._exchange !== null) await this._failStream({ errorType, body: () => body });
    else await this._ask([this._post(`/invocation/${requestId}/error`, body, errorType)]);
  }

  /** While an invocation runs, only its streamed answer is an exchange that is not over. */
  async _failStream(fault) {
    const { streamed, answers } = this._streaming;
    if (this._exchange.answers.length > 0) return;
    this._exchange.expected = 1;
    this._socket?.ref();
    this.write(streamed.ending(fault));
    await answers;
  }

  /** Report that the function could not be initialised. */
  async failInit(errorType, body) {
    await this._ask([this._post("/init/error", body, errorType)]);
  }

  /** Do not keep the process alive while an invocation runs. */
  unref() {
    if (this._socket) this._socket.unref();
  }

  _post(path, body, errorType) {
    let head = `POST ${PATH}${path} HTTP/1.1\r\nHost: ${this._host}\r\n`;
    if (errorType === undefined) {
      head += "Content-Type: application/json\r\n";
    } else {
      head += "Content-Type: application/vnd.aws.lambda.error+json\r\n";
      head += `Lambda-Runtime-Function-Error-Type: ${errorType.replace(/[^ -~]/g, "?")}\r\n`;
    }
    return Buffer.concat([Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n`), body]);
  }

  /** The answers to the requests, in order. A server that has closed an old connection is asked once more. */
  _ask(requests) {
    return new Promise((resolve, reject) => {
      const fresh = this._socket === null;
      this._exchange = { requests, expected: requests.length, answers: [], resolve, reject, fresh };
      this._send();
    });
  }

  _send() {
    if (this._socket === null) this._connect();
    this._socket.ref();
    const { requests, answers } = this._exchange;
    this._socket.write(Buffer.concat(requests.slice(answers.length)));
  }

  _connect() {
    const reader = new AnswerReader();
    const socket = net.connect(this._address);
    let failure = Object.assign(new Error("The server has closed the connection."), { code: "EOF" });
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      try {
        for (const answer of reader.read(chunk)) this._receive(answer);
      } catch (error) {
        failure = error;
        socket.destroy();
      }
    });
    socket.on("error", (error) => {
      failure = error;
    });
    socket.on("close", () => this._lose(socket, failure));
    this._socket = socket;
  }

  _receive(answer) {
    const exchange = this._exchange;
    if (exchange === null) return;
    exchange.answers.push(answer);
    if (exchange.answers.length < exchange.expected) return;
    this._exchange = null;
    exchange.resolve(exchange.answers);
  }

  _lose(socket, failure) {
    if (this._socket !== socket) return;
    this._socket = null;
    const exchange = this._exchange;
    if (exchange === null) return;
    if (exchange.fresh || !LOST.has(failure.code)) {
      exchange.reject(failure);
      return;
    }
    exchange.fresh = true;
    this._send();
  }
}

module.exports = { RuntimeApi };
