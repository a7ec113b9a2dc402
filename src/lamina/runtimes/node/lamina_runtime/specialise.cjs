"use strict";
// How a process that only knows its language becomes the process of one function.

const fs = require("fs");
const { Module } = require("module");

const CONTROL = 3;

/**
 * Read the control pipe to its end and take the environment of the function from it. While the process waits nothing
 * of the function exists for it: neither its variables nor its code.
 */
async function waitForFunction() {
  await import("./warm.mjs");
  const modulePath = process.env.NODE_PATH;
  const { environment } = JSON.parse(fs.readFileSync(CONTROL, "utf8"));
  fs.closeSync(CONTROL);
  for (const name of Object.keys(process.env)) {
    if (!(name in environment)) delete process.env[name];
  }
  Object.assign(process.env, environment);
  if (process.env.NODE_PATH !== modulePath) Module._initPaths();
}

module.exports = { waitForFunction };
