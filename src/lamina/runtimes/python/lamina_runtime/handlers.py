"""Finding the handler of a function by the text of its ``Handler`` setting."""

import importlib
import sys

from lamina_runtime.faults import Fault


def load(name):
    """Import the module of ``module.function`` (or ``dir/module.function``) and take the function from it.

    Raises ``Fault`` with AWS's error types and texts. Other errors of the module's own code come through.
    """
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as error:
        raise Fault("Runtime.MalformedHandlerName", "Bad handler '{}': {}".format(name, error)) from None
    module = _import(module_name)
    try:
        return getattr(module, function_name)
    except AttributeError:
        text = "Handler '{}' missing on module '{}'".format(function_name, module_name)
        raise Fault("Runtime.HandlerNotFound", text) from None


def _import(name):
    if name.split(".")[0] in sys.builtin_module_names:
        text = "Cannot use built-in module {} as a handler module".format(name)
        raise Fault("Runtime.BuiltInModuleConflict", text) from None
    try:
        return importlib.import_module(name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", "Unable to import module '{}': {}".format(name, error)) from None
    except SyntaxError as error:
        place = '  File "{}" Line {}\n    {}'.format(error.filename, error.lineno, error.text)
        raise Fault("Runtime.UserCodeSyntaxError", "Syntax error in module '{}': {}".format(name, error), [place]) from None
