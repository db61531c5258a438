"""What goes over a live view's WebSocket; told in the package's docstring."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

LONGEST = 200_000  #: characters of a message, before it is looked at
_MOST_TEXT = 100_000

Place = Annotated[float, msgspec.Meta(ge=-100_000, le=100_000)]
Bits = Annotated[int, msgspec.Meta(ge=0, le=31)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
TabId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=_MOST_TEXT)]


def _tag(name: str) -> str:
    """`SwitchTab` as `switch_tab`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


class _Message(msgspec.Struct, kw_only=True, tag_field="type", tag=_tag, forbid_unknown_fields=True):
    """One JSON object, told apart from others by its `type`."""


class Mouse(_Message):
    """The mouse moved, or a button of it went down or up."""

    action: Literal["move", "down", "up"]
    x: Place
    y: Place
    button: Literal["none", "left", "middle", "right", "back", "forward"] = "none"
    buttons: Bits = 0
    clicks: Annotated[int, msgspec.Meta(ge=0, le=3)] = 1
    modifiers: Bits = 0


class Wheel(_Message):
    """Scroll."""

    x: Place
    y: Place
    dx: Place = 0
    dy: Place = 0
    modifiers: Bits = 0


class Key(_Message):
    """A key, which by itself writes nothing unless it is Enter."""

    action: Literal["down", "up"]
    key: Name
    code: Annotated[str, msgspec.Meta(max_length=32)] = ""
    repeat: bool = False
    modifiers: Bits = 0


class Typed(_Message, tag="text"):
    """Text to write where the cursor is."""

    text: Text


class Copy(_Message):
    """Tell what is selected."""


class Go(_Message):
    """Go to an address."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=_MOST_TEXT)]


class Back(_Message):
    """One step back in the tab's history."""


class Forward(_Message):
    """One step forward in the tab's history."""


class Reload(_Message):
    """Load the page again."""


class OpenTab(_Message):
    """Open an empty tab."""


class CloseTab(_Message):
    """Close a tab."""

    tab: TabId


class SwitchTab(_Message):
    """Look at another tab."""

    tab: TabId


class AnswerDialog(_Message):
    """Answer what the page asks."""

    accept: bool
    text: Annotated[str, msgspec.Meta(max_length=_MOST_TEXT)] = ""


class Seen(_Message):
    """A picture was shown."""


Said = (
    Mouse
    | Wheel
    | Key
    | Typed
    | Copy
    | Go
    | Back
    | Forward
    | Reload
    | OpenTab
    | CloseTab
    | SwitchTab
    | AnswerDialog
    | Seen
)
_DECODER = msgspec.json.Decoder(Said)
LOOKING = (SwitchTab, Seen)  #: what a viewer may say


class TabTold(msgspec.Struct, frozen=True):
    """One tab."""

    id: str
    url: str
    title: str


class Dialog(msgspec.Struct, frozen=True):
    """What a page asks in a window of its own."""

    kind: str
    text: str
    default: str


class View(_Message):
    """What belongs to the pictures."""

    tab: str
    url: str
    title: str
    width: int
    height: int
    loading: bool
    tabs: list[TabTold]
    dialog: Dialog | None
    may_type: bool


class Clipboard(_Message):
    """What was selected."""

    text: str


class Refused(_Message):
    """What was said last was not done."""

    code: str
    detail: str


def heard(text: str) -> Said:
    """A client's message.

    Raises:
        ValueError: it is none.
    """
    if len(text) > LONGEST:
        raise ValueError("too long")
    message: Said = _DECODER.decode(text)  # its errors are ValueErrors
    return message
