"""Sandboxes that wait for a program: blank ones, and forks of each template that is ready."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.sandbox._box import Box
    from lamina.sandbox._template import Template

BLANK = ""


class Stock:
    """Up to ``wanted`` spares of each kind. A kind is the name of a template, or ``BLANK``."""

    def __init__(self, wanted: int, forget: Callable[[int], None]) -> None:
        """Nothing is in stock at first. ``forget`` is told of a template's descriptor before that is closed."""
        self._wanted = wanted
        self._forget = forget
        self._spares: dict[str, list[Box]] = {BLANK: []}
        # A kind without a template is known not to have one, or has lost it.
        self._templates: dict[str, Template | None] = {BLANK: None}

    def knows(self, kind: str) -> bool:
        """Whether a template of this kind was ever asked for."""
        return kind in self._templates

    def add(self, kind: str, template: Template | None) -> None:
        """Note the template of a kind."""
        self._templates[kind] = template
        self._spares[kind] = []

    def template(self, kind: str) -> Template | None:
        """The template of a kind, once it is ready."""
        template = self._templates.get(kind)
        return template if template is not None and template.ready else None

    def drop(self, kind: str) -> None:
        """Do without the template of this kind; its spares are as good as before."""
        template = self._templates[kind]
        self._templates[kind] = None
        if template is not None:
            self._forget(template.channel.fileno())
            template.close()

    def take(self, kind: str) -> Box | None:
        """A spare of this kind that is alive, if there is one."""
        while self._spares[kind]:
            box = self._spares[kind].pop()
            if box.alive():
                return box
        return None

    def put(self, kind: str, box: Box) -> None:
        """Keep ``box`` for later."""
        self._spares[kind].append(box)

    def discard(self, box: Box) -> None:
        """Forget ``box``, which has ended."""
        for spares in self._spares.values():
            if box in spares:
                spares.remove(box)

    def lacking(self) -> str | None:
        """A kind of which there is less than wanted."""
        for kind, spares in self._spares.items():
            available = kind == BLANK or self.template(kind) is not None
            if available and len(spares) < self._wanted:
                return kind
        return None

    def give_up(self, kind: str) -> None:
        """Make no more spares of this kind: they cannot be made."""
        if kind == BLANK:
            self._wanted = 0
        else:
            self.drop(kind)

    def close(self) -> None:
        """End all templates."""
        for kind in self._templates:
            self.drop(kind)
