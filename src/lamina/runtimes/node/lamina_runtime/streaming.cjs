"use strict";
// The global `awslambda`, which AWS defines for functions that stream their response.

const { Crash } = require("./faults.cjs");

/** Streaming is not there yet; a function that asks for it is told so when it is loaded. */
function defineStreaming() {
  const refuse = () => {
    const message = "This version of Lamina does not support response streaming (awslambda.streamifyResponse).";
    throw new Crash("Runtime.StreamingNotSupported", message);
  };
  globalThis.awslambda = { streamifyResponse: refuse, HttpResponseStream: { from: refuse } };
}

module.exports = { defineStreaming };
