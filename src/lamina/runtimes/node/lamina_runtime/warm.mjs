// Loading an ES module and a CommonJS one, which do nothing, makes the loaders ready before the function is known.
import "./warm.cjs";
