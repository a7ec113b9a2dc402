// An ES module and a CommonJS one that do nothing: loading them makes the loaders ready.
import "./warm.cjs";
export {};
