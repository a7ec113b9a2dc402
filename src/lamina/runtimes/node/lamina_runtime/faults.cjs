"use strict";
// Errors of a function in the form in which AWS reports them.

/** An error of the runtime itself; its name is AWS's error type, such as `Runtime.HandlerNotFound`. */
class Crash extends Error {
  constructor(type, message, cause) {
    super(message);
    this.name = type;
    if (cause && cause.stack) this.stack = `${type}: ${message}\n${frames(cause.stack)}`;
  }

  static ofRejection(reason) {
    return new Crash("Runtime.UnhandledPromiseRejection", describe(reason), reason);
  }
}

/** What was thrown, ready to be logged and reported. */
class Fault {
  constructor(errorType, errorMessage, trace, details = {}) {
    this.errorType = errorType;
    this.errorMessage = errorMessage;
    this.trace = trace;
    this.details = details;
  }

  /** The recorded error payload; its order of keys is AWS's. */
  body() {
    return Buffer.from(JSON.stringify({ errorType: this.errorType, errorMessage: this.errorMessage, trace: this.trace }));
  }
}

/** The fault for anything that can be thrown. */
function faultOf(thrown, details) {
  if (!isError(thrown)) return new Fault(typeof thrown, describe(thrown), [], details);
  const own = details || ownProperties(thrown);
  return new Fault(String(thrown.name), String(thrown.message), String(thrown.stack || "").split("\n"), own);
}

/** Also errors of another realm count, as those of a `vm` context. */
function isError(thrown) {
  return thrown instanceof Error || Object.prototype.toString.call(thrown) === "[object Error]";
}

function ownProperties(error) {
  const { name, message, stack, ...own } = error;
  return own;
}

function describe(thrown) {
  try {
    return String(thrown);
  } catch {
    return Object.prototype.toString.call(thrown);
  }
}

function frames(stack) {
  return stack
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .join("\n");
}

module.exports = { Crash, Fault, faultOf, isError };
