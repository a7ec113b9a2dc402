"use strict";
// Running the handler once, in each of the styles that AWS knows: a promise, a callback, or context.done and its kin.

const { Crash, faultOf } = require("./faults.cjs");

const AsyncFunction = (async () => {}).constructor;
const NEVER_SETTLED =
  "The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise " +
  "that was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes";
// AWS ended callbacks with Node.js 24.
const HAS_CALLBACKS = Number(process.versions.node.split(".")[0]) < 24;

let whenEmpty = null; // What is to be done as soon as the event loop has nothing left to do.

/** For the event `beforeExit`: the event loop is empty, and the process would end. */
function onEmptyEventLoop() {
  const action = whenEmpty;
  whenEmpty = null;
  if (action) setImmediate(action);
}

function neverSettled() {
  return new Crash("Runtime.NodeJsExit", NEVER_SETTLED);
}

/** Let this be done when the event loop is empty; null for nothing. */
function whenEventLoopIsEmpty(action) {
  whenEmpty = action;
}

/** The outcome of one call of the handler: `{ body }`, or `{ body, error }` with the fault. Never rejects. */
function run(handler, invocation, context) {
  return new Promise((resolve) => {
    const settle = (outcome) => {
      whenEmpty = null;
      resolve(outcome());
    };
    const succeed = (result) => settle(() => success(result));
    const fail = (error) => settle(() => failure(error));
    whenEmpty = handler instanceof AsyncFunction ? () => fail(neverSettled()) : succeed;
    call(handler, invocation, context, succeed, fail);
  });
}

function call(handler, invocation, context, succeed, fail) {
  try {
    const event = JSON.parse(invocation.payload.toString());
    const callback = HAS_CALLBACKS ? callbackOf(context, succeed, fail) : undefined;
    const result = HAS_CALLBACKS ? handler(event, context, callback) : handler(event, context);
    if (result && typeof result.then === "function") result.then(succeed, fail);
    else if (!HAS_CALLBACKS) succeed(result);
  } catch (error) {
    fail(error);
  }
}

/** The callback; the context gets the older ways to say the same. */
function callbackOf(context, succeed, fail) {
  const given = (error) => error !== undefined && error !== null;
  context.callbackWaitsForEmptyEventLoop = true;
  context.succeed = succeed;
  context.fail = (error) => (given(error) ? fail(error) : fail("handled"));
  context.done = (error, result) => (given(error) ? fail(error) : succeed(result));
  return (error, result) => {
    if (given(error)) fail(error);
    else if (context.callbackWaitsForEmptyEventLoop) whenEmpty = () => succeed(result);
    else succeed(result);
  };
}

function success(result) {
  try {
    const text = JSON.stringify(result);
    return { body: Buffer.from(text === undefined ? "null" : text) };
  } catch {
    return failure(new Error("Unable to stringify response body"));
  }
}

function failure(thrown) {
  const error = faultOf(thrown);
  return { body: error.body(), error };
}

module.exports = { neverSettled, onEmptyEventLoop, run, whenEventLoopIsEmpty };
