"use strict";
// The Node.js runtime: what runs in an execution environment of a `nodejs<major>.x` function.
// It needs nothing but Node.js itself, 16 or newer.

const { Crash, faultOf } = require("./lamina_runtime/faults.cjs");
const { contextOf } = require("./lamina_runtime/context.cjs");
const { loadHandler } = require("./lamina_runtime/handlers.cjs");
const { Log, openStreams } = require("./lamina_runtime/logs.cjs");
const { RuntimeApi } = require("./lamina_runtime/runtime_api.cjs");
const { run, onEmptyEventLoop } = require("./lamina_runtime/invocation.cjs");
const { waitForFunction } = require("./lamina_runtime/specialise.cjs");
const { defineStreaming, isStreaming, runStreaming } = require("./lamina_runtime/streaming.cjs");

const UNHANDLED_REJECTION = 128;
const UNCAUGHT_EXCEPTION = 129;

async function main() {
  openStreams();
  if (process.env.LAMINA_GENERIC === "1") await waitForFunction();
  const log = new Log(process.env);
  const api = new RuntimeApi(process.env.AWS_LAMBDA_RUNTIME_API);
  defineStreaming();
  reportCrashes(api, log);
  process.on("beforeExit", onEmptyEventLoop);
  process.chdir(process.env.LAMBDA_TASK_ROOT || "/var/task");
  const handler = await loadHandler(process.env._HANDLER || "");
  log.patchConsole();
  await (isStreaming(handler) ? serveStreams : serve)(handler, api, log);
}

async function serve(handler, api, log) {
  let invocation = await api.next();
  for (;;) {
    begin(invocation, api, log);
    const outcome = await run(handler, invocation, contextOf(invocation));
    if (outcome.error) log.fault("Invoke Error", outcome.error);
    log.end();
    invocation = await api.answer(invocation.requestId, outcome.body, outcome.error && outcome.error.errorType);
  }
}

/** The same for a handler that sends its response itself while it runs. */
async function serveStreams(handler, api, log) {
  let invocation = await api.next();
  for (;;) {
    begin(invocation, api, log);
    const streamed = api.streamedAnswer(invocation.requestId);
    const fault = await runStreaming(handler, invocation, contextOf(invocation), streamed);
    if (fault) log.fault("Invoke Error", fault);
    log.end();
    invocation =
      fault && !streamed.begun
        ? await api.answer(invocation.requestId, fault.body(), fault.errorType)
        : await api.endStream(streamed, fault);
  }
}

function begin(invocation, api, log) {
  log.begin(invocation);
  setTrace(invocation.traceId);
  api.unref(); // From here on the event loop is the function's: it is empty when the function has nothing to do.
}

function reportCrashes(api, log) {
  const crash = async (title, fault, status) => {
    const requestId = log.requestId;
    log.fault(title, fault);
    if (requestId !== undefined) await api.fail(requestId, fault.errorType, fault.body());
    else if (!api.used) await api.failInit(fault.errorType, fault.body());
    process.exit(status);
  };
  const giveUp = () => process.exit(1);
  process.on("uncaughtException", (error) => {
    crash("Uncaught Exception", faultOf(error), UNCAUGHT_EXCEPTION).catch(giveUp);
  });
  process.on("unhandledRejection", (reason, promise) => {
    const fault = faultOf(Crash.ofRejection(reason), { reason, promise });
    crash("Unhandled Promise Rejection", fault, UNHANDLED_REJECTION).catch(giveUp);
  });
}

function setTrace(traceId) {
  if (traceId) process.env._X_AMZN_TRACE_ID = traceId;
  else delete process.env._X_AMZN_TRACE_ID;
}

main().catch((error) => {
  // As AWS does, an error of the function's own start-up counts as an uncaught exception.
  setImmediate(() => {
    throw error;
  });
});
