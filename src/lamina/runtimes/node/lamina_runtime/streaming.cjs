"use strict";
// Functions that stream their response (Lambda Developer Guide, "Writing response streaming-enabled Lambda functions"):
// the global `awslambda`, the stream that such a handler writes to, and one call of such a handler.

const { Writable } = require("stream");
const { finished } = require("stream/promises");
const { Crash, faultOf } = require("./faults.cjs");
const { neverSettled, whenEventLoopIsEmpty } = require("./invocation.cjs");

// Under these names AWS's runtime, and the libraries that wrap handlers, mark a function as one that streams.
const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const HIGH_WATER_MARK = Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark");

const HTTP = "application/vnd.awslambda.http-integration-response";
const END_OF_PRELUDE = Buffer.alloc(8);

/** Define the global `awslambda`. */
function defineStreaming() {
  globalThis.awslambda = { streamifyResponse, HttpResponseStream: { from: withPrelude } };
}

function streamifyResponse(handler, options) {
  handler[STREAMING] = "response";
  if (options && options.highWaterMark !== undefined) handler[HIGH_WATER_MARK] = parseInt(options.highWaterMark, 10);
  return handler;
}

/** `HttpResponseStream.from`: the same stream; status, headers and cookies go before the first of the body. */
function withPrelude(stream, prelude) {
  stream.setContentType(HTTP);
  stream.prelude = Buffer.concat([Buffer.from(JSON.stringify(prelude ?? {})), END_OF_PRELUDE]);
  return stream;
}

function isStreaming(handler) {
  return handler[STREAMING] === "response";
}

/** What a handler writes its response to; `answer` takes the bytes and says when there is room for more. */
class ResponseStream extends Writable {
  constructor(answer, highWaterMark) {
    super(highWaterMark === undefined ? {} : { highWaterMark });
    this._answer = answer;
    this.prelude = null;
  }

  /** The type of what is streamed; it can be set until something was written. */
  setContentType(contentType) {
    this._answer.contentType = String(contentType);
  }

  /** As on AWS other values than text and bytes are written as JSON. */
  write(chunk, ...rest) {
    return super.write(isWritable(chunk) ? chunk : JSON.stringify(chunk), ...rest);
  }

  end(chunk, ...rest) {
    const plain = isWritable(chunk) || chunk === undefined || chunk === null || typeof chunk === "function";
    return super.end(plain ? chunk : JSON.stringify(chunk), ...rest);
  }

  _write(chunk, _, callback) {
    this._answer.write([...this._takePrelude(), chunk], callback);
  }

  _writev(items, callback) {
    this._answer.write([...this._takePrelude(), ...items.map(({ chunk }) => chunk)], callback);
  }

  _final(callback) {
    this._answer.end(this._takePrelude(), callback);
  }

  _takePrelude() {
    const { prelude } = this;
    this.prelude = null;
    return prelude === null ? [] : [prelude];
  }
}

function isWritable(chunk) {
  return typeof chunk === "string" || chunk instanceof Uint8Array;
}

/**
 * Call the handler, and wait until it has settled and its stream is finished. The fault if one of the two fails, or if
 * nothing is left that could finish them. Never rejects.
 */
function runStreaming(handler, invocation, context, answer) {
  return new Promise((resolve) => {
    const stream = new ResponseStream(answer, handler[HIGH_WATER_MARK]);
    stream.on("error", () => {}); // Whoever writes is told, and so is `finished`.
    const settle = (fault) => {
      whenEventLoopIsEmpty(null);
      stream.destroy();
      resolve(fault);
    };
    const fail = (error) => settle(faultOf(error));
    whenEventLoopIsEmpty(() => fail(neverSettled()));
    called(handler, invocation, context, stream)
      .then(() => {
        whenEventLoopIsEmpty(() => fail(notFinished()));
        return finished(stream);
      })
      .catch((error) => {
        throw error && error.code === "ERR_STREAM_PREMATURE_CLOSE" ? notFinished() : error;
      })
      .then(() => settle(undefined), fail);
  });
}

async function called(handler, invocation, context, stream) {
  const result = handler(JSON.parse(invocation.payload.toString()), stream, context);
  if (!result || typeof result.then !== "function") throw new Error("Streaming does not support non-async handlers.");
  if ((await result) !== undefined) console.warn("Streaming handlers ignore return values.");
}

function notFinished() {
  return new Crash("Runtime.StreamNotFinished", "Response stream is not finished.");
}

module.exports = { defineStreaming, isStreaming, runStreaming };
