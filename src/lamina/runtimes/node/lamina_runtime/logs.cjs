"use strict";
// The console as functions find it on AWS.

const { format } = require("util");
const { faultOf, isError } = require("./faults.cjs");

const LEVELS = { TRACE: 1, DEBUG: 2, INFO: 3, WARN: 4, ERROR: 5, FATAL: 6 };
const METHODS = { trace: "TRACE", debug: "DEBUG", log: "INFO", info: "INFO", warn: "WARN", error: "ERROR", fatal: "FATAL" };

/**
 * Let standard output and error block until the pipe has taken everything: Node.js would keep what does not fit, and
 * lose it when the process ends.
 */
function openStreams() {
  for (const { _handle: handle } of [process.stdout, process.stderr]) {
    if (handle && handle.setBlocking) handle.setBlocking(true);
  }
}

/** The log of the environment, in the format that its variables ask for. */
class Log {
  constructor(environment) {
    this._json = environment.AWS_LAMBDA_LOG_FORMAT === "JSON";
    this._level = (this._json && LEVELS[environment.AWS_LAMBDA_LOG_LEVEL]) || LEVELS.TRACE;
    this._current = undefined;
    this._shown = undefined; // What comes after an invocation still shows its id, as on AWS.
    this._tenantId = undefined;
  }

  /** The request that runs now. */
  get requestId() {
    return this._current;
  }

  /** From now on what is written belongs to this invocation. */
  begin(invocation) {
    this._current = this._shown = invocation.requestId;
    this._tenantId = invocation.tenantId;
  }

  /** The invocation has its outcome. */
  end() {
    this._current = undefined;
  }

  /** Let the methods of `console` write in the runtime's format. */
  patchConsole() {
    for (const [method, level] of Object.entries(METHODS)) {
      console[method] = (...values) => this._write(level, values);
    }
  }

  /** Write an error that the function did not catch. */
  fault(title, fault) {
    const { errorType, errorMessage, trace } = fault;
    const shown = { errorType, errorMessage, ...fault.details, stack: trace };
    if (this._json) this._writeJson("ERROR", { message: shown });
    else this._writeText("ERROR", `${title} \t${stringified(shown)}`);
  }

  _write(level, values) {
    if (LEVELS[level] < this._level) return;
    if (this._json) this._writeJson(level, fields(values));
    else this._writeText(level, format(...values));
  }

  _writeText(level, text) {
    process.stdout.write(`${new Date().toISOString()}\t${this._shown}\t${level}\t${text}\n`);
  }

  _writeJson(level, content) {
    const head = { timestamp: new Date().toISOString(), level, requestId: this._shown, tenantId: this._tenantId };
    process.stdout.write(`${stringified({ ...head, ...content })}\n`);
  }
}

function fields(values) {
  const error = values.find(isError);
  const described = {};
  if (error) {
    const fault = faultOf(error);
    described.errorType = fault.errorType;
    described.errorMessage = fault.errorMessage;
    described.stackTrace = fault.trace;
  }
  const message = values.length === 1 && !isError(values[0]) ? values[0] : format(...values);
  return { message: isWritable(message) ? message : format(message), ...described };
}

function isWritable(message) {
  try {
    return JSON.stringify(message) !== undefined;
  } catch {
    return false;
  }
}

function stringified(value) {
  try {
    return JSON.stringify(value, (_, inner) => (isError(inner) ? faultAsObject(inner) : inner));
  } catch {
    return JSON.stringify(format(value));
  }
}

function faultAsObject(error) {
  const { errorType, errorMessage, trace } = faultOf(error);
  return { errorType, errorMessage, stack: trace };
}

module.exports = { Log, openStreams };
