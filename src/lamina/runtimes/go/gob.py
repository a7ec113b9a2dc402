"""Go's gob encoding (package ``encoding/gob``), as much of it as ``net/rpc`` needs: structs, numbers, text and bytes.

A stream is made of messages: a length, then a type number. A negative number defines a type, by a value of Go's own
``wireType``; a positive one is followed by a value. Numbers of less than 128 are a byte, others the count of their
bytes, negated, and the bytes. A field that has its zero value is left out; fields are told by how far each is from the
one before.
"""

BOOL, INT, UINT, FLOAT, BYTES, STRING, COMPLEX, INTERFACE = range(1, 9)
_WIRE_TYPE = 16
_FIRST_FREE = 64
_SIMPLE = (BOOL, INT, UINT, FLOAT, BYTES, STRING, COMPLEX, INTERFACE)
# The types that the definitions of others are written in. They stand in Go's type.go with these numbers.
_DEFINITIONS = {
    16: ("struct", [("ArrayT", 17), ("SliceT", 19), ("StructT", 20), ("MapT", 23)]),
    17: ("struct", [("CommonType", 18), ("Elem", INT), ("Len", INT)]),
    18: ("struct", [("Name", STRING), ("Id", INT)]),
    19: ("struct", [("CommonType", 18), ("Elem", INT)]),
    20: ("struct", [("CommonType", 18), ("Field", 22)]),
    21: ("struct", [("Name", STRING), ("Id", INT)]),
    22: ("slice", 21),
    23: ("struct", [("CommonType", 18), ("Key", INT), ("Elem", INT)]),
}
_LARGEST = 64 << 20


class GobError(Exception):
    """What was received is no gob, or has what net/rpc's messages have not."""


class Struct(object):
    """A struct type to be sent: ``fields`` are pairs of a name and a simple type's number, or a ``Struct``."""

    def __init__(self, name, fields):
        self.name = name
        self.fields = fields


class Encoder(object):
    """Writes values to one stream, and before the first of each type its definition."""

    def __init__(self):
        self._numbers = {}

    def encode(self, struct, value):
        """The messages for one value, which is a dictionary by field names."""
        definitions = []
        number = self._define(struct, definitions)
        return b"".join(definitions) + _message(_int(number) + self._struct(struct, value))

    def _define(self, struct, definitions):
        if struct in self._numbers:
            return self._numbers[struct]
        number = self._numbers[struct] = _FIRST_FREE + 1 + len(self._numbers)
        fields = b"".join(
            _uint(1) + _string(name) + _uint(1) + _int(self._number(kind, definitions)) + _uint(0)
            for name, kind in struct.fields
        )
        common = _uint(1) + _string(struct.name) + _uint(1) + _int(number) + _uint(0)
        listed = _uint(1) + _uint(len(struct.fields)) + fields if struct.fields else b""
        wire = _uint(3) + _uint(1) + common + listed + _uint(0) + _uint(0)
        definitions.insert(0, _message(_int(-number) + wire))
        return number

    def _number(self, kind, definitions):
        return self._define(kind, definitions) if isinstance(kind, Struct) else kind

    def _struct(self, struct, value):
        out, last = [], -1
        for index, (name, kind) in enumerate(struct.fields):
            given = value.get(name)
            if given or isinstance(kind, Struct):
                out += [_uint(index - last), self._value(kind, given or {})]
                last = index
        return b"".join(out) + _uint(0)

    def _value(self, kind, value):
        if isinstance(kind, Struct):
            return self._struct(kind, value)
        writers = {BOOL: lambda v: _uint(int(v)), INT: _int, UINT: _uint, BYTES: _bytes, STRING: _string}
        return writers[kind](value)


class Decoder(object):
    """Reads values from one stream; ``receive(n)`` gives exactly so many bytes of it, or raises ``EOFError``."""

    def __init__(self, receive):
        self._receive = receive
        self._types = dict(_DEFINITIONS)

    def decode(self):
        """The next value: a struct is a dictionary without the fields that have their zero value."""
        while True:
            message = _Message(self._next())
            number = message.int()
            if number >= 0:
                # A value that is no struct has a zero before it.
                if self._types.get(number, ("",))[0] != "struct" and message.uint() != 0:
                    raise GobError("a value that is neither a struct nor alone")
                return self._value(message, number)
            self._add(-number, self._value(message, _WIRE_TYPE))

    def _next(self):
        first = bytearray(self._receive(1))[0]
        size = first if first < 128 else _big(self._receive(256 - first))
        if not 0 < size <= _LARGEST:
            raise GobError("a message of {} bytes".format(size))
        return self._receive(size)

    def _add(self, number, wire):
        if "StructT" in wire:
            fields = [(field.get("Name", ""), field.get("Id", 0)) for field in wire["StructT"].get("Field", [])]
            self._types[number] = ("struct", fields)
        elif "SliceT" in wire or "ArrayT" in wire:
            self._types[number] = ("slice", (wire.get("SliceT") or wire["ArrayT"]).get("Elem", 0))
        elif "MapT" in wire:
            self._types[number] = ("map", (wire["MapT"].get("Key", 0), wire["MapT"].get("Elem", 0)))
        else:
            raise GobError("a type of another kind: {}".format(sorted(wire)))

    def _value(self, message, number):
        if number in _SIMPLE:
            return message.simple(number)
        if number not in self._types:
            raise GobError("a value of type {}, which was not defined".format(number))
        kind, of = self._types[number]
        if kind == "struct":
            return self._struct(message, of)
        count = message.count()
        if kind == "slice":
            return [self._value(message, of) for _ in range(count)]
        return {self._value(message, of[0]): self._value(message, of[1]) for _ in range(count)}

    def _struct(self, message, fields):
        value, index = {}, -1
        while True:
            step = message.uint()
            if step == 0:
                return value
            index += step
            if index >= len(fields):
                raise GobError("a field that the type has not")
            name, number = fields[index]
            value[name] = self._value(message, number)


class _Message(object):
    def __init__(self, data):
        self._data = data
        self._at = 0

    def take(self, size):
        end = self._at + size
        if end > len(self._data):
            raise GobError("a message that ends too early")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def uint(self):
        first = bytearray(self.take(1))[0]
        return first if first < 128 else _big(self.take(256 - first))

    def int(self):
        number = self.uint()
        return ~(number >> 1) if number & 1 else number >> 1

    def count(self):
        """How many elements follow; each has a byte at least."""
        count = self.uint()
        if count > len(self._data) - self._at:
            raise GobError("a message that ends too early")
        return count

    def simple(self, number):
        if number == BOOL:
            return bool(self.uint())
        if number == INT:
            return self.int()
        if number == UINT:
            return self.uint()
        if number == BYTES:
            return self.take(self.count())
        if number == STRING:
            return self.take(self.count()).decode("utf-8", "replace")
        raise GobError("a value of type {}".format(number))


def _message(data):
    return _uint(len(data)) + data


def _big(data):
    if len(data) > 8:
        raise GobError("a number of {} bytes".format(len(data)))
    return int.from_bytes(data, "big")


def _uint(number):
    if number < 128:
        return bytes([number])
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([256 - len(data)]) + data


def _int(number):
    return _uint(~number << 1 | 1 if number < 0 else number << 1)


def _bytes(data):
    return _uint(len(data)) + data


def _string(text):
    return _bytes(text.encode("utf-8"))
