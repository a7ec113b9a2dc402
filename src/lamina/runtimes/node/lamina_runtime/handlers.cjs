"use strict";
// Finding the handler of a function by the text of its `Handler` setting.

const fs = require("fs");
const path = require("path");
const { createRequire } = require("module");
const { pathToFileURL } = require("url");
const { Crash, isError } = require("./faults.cjs");

// Error messages show who asked for a module: AWS's own bootstrap has this name.
const requireForFunction = createRequire(path.join(path.dirname(__dirname), "index.mjs"));

// AWS ended callbacks with Node.js 24.
const HAS_CALLBACKS = Number(process.versions.node.split(".")[0]) < 24;
const NO_CALLBACKS =
  "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to " +
  "modify this function to use a supported handler signature to use Node.js 24 or later.";

/**
 * Load the module of `dir/file.name` (the name may go deeper: `file.a.b`) and take the function from it.
 * Throws with AWS's error types; other errors of the module's own code come through.
 */
async function loadHandler(text) {
  const { directory, file, names } = parse(text);
  const module = await loadModule(path.resolve(directory), file);
  const handler = names.reduce((value, name) => (value === undefined || value === null ? value : value[name]), module);
  if (handler === undefined || handler === null) {
    throw new Crash("Runtime.HandlerNotFound", `${text} is undefined or not exported`);
  }
  if (typeof handler !== "function") throw new Crash("Runtime.HandlerNotFound", `${text} is not a function`);
  if (!HAS_CALLBACKS && handler.length > 2) throw new Crash("Runtime.CallbackHandlerDeprecated", NO_CALLBACKS);
  return handler;
}

function parse(text) {
  if (text.includes("..")) {
    const advice = "Use absolute paths when specifying root directories in handler names.";
    throw new Crash("Runtime.MalformedHandlerName", `'${text}' is not a valid handler name. ${advice}`);
  }
  const base = path.basename(text);
  const match = /^([^.]*)\.(.+)$/.exec(base);
  if (!match) throw new Crash("Runtime.MalformedHandlerName", "Bad handler");
  return { directory: text.slice(0, text.length - base.length), file: match[1], names: match[2].split(".") };
}

async function loadModule(directory, name) {
  try {
    const { file, isModule } = find(directory, name);
    return isModule ? await import(pathToFileURL(file)) : await required(file);
  } catch (error) {
    throw explained(error);
  }
}

/** The order is AWS's: `.js` or the bare name, then `.mjs`, then `.cjs`, then what Node.js finds by the name. */
function find(directory, name) {
  const file = path.join(directory, name);
  if (isFile(file)) return { file, isModule: false };
  if (isFile(`${file}.js`)) return { file: `${file}.js`, isModule: isInModulePackage(directory) };
  if (isFile(`${file}.mjs`)) return { file: `${file}.mjs`, isModule: true };
  if (isFile(`${file}.cjs`)) return { file: `${file}.cjs`, isModule: false };
  const found = requireForFunction.resolve(directory === process.cwd() ? name : file, { paths: [process.cwd(), directory] });
  return { file: found, isModule: found.endsWith(".mjs") };
}

async function required(file) {
  try {
    return requireForFunction(file);
  } catch (error) {
    // Since Node.js 20.19 a .js file may be an ES module without saying so.
    if (error.code !== "ERR_REQUIRE_ESM" && error.code !== "ERR_REQUIRE_ASYNC_MODULE") throw error;
    return import(pathToFileURL(file));
  }
}

function isInModulePackage(directory) {
  for (let place = directory; ; place = path.dirname(place)) {
    const description = path.join(place, "package.json");
    if (isFile(description)) return JSON.parse(fs.readFileSync(description, "utf8")).type === "module";
    if (place === path.dirname(place) || path.basename(place) === "node_modules") return false;
  }
}

function isFile(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
}

function explained(error) {
  if (error instanceof SyntaxError) return new Crash("Runtime.UserCodeSyntaxError", String(error), error);
  const missing = isError(error) && (error.code === "MODULE_NOT_FOUND" || error.code === "ERR_MODULE_NOT_FOUND");
  return missing ? new Crash("Runtime.ImportModuleError", String(error), error) : error;
}

module.exports = { loadHandler };
