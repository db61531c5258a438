"""The live view: a session's browser as pictures, and a person's hands on it.

`WS /v1/sessions/{id}/live` sends what can be seen and hears what a person does. Positions and sizes are in CSS pixels
of the page that is looked at; `modifiers` are DevTools' bits: 1 Alt, 2 Ctrl, 4 Meta, 8 Shift.

Down, from the server:

    <bytes>                    a picture of the tab that is looked at, as JPEG; 12 a second at most
    {"type": "view", …}        what belongs to the pictures from here on, sent first and whenever it has changed:
        tab, url, title        of the tab that is looked at; `tab` is "" when none is open
        width, height          its size
        loading                whether it loads
        tabs                   [{id, url, title}], oldest first
        dialog                 null, or what the page asks: {kind: alert|confirm|prompt|beforeunload, text, default}
        may_type               whether this key's role may do more than look
    {"type": "clipboard", "text"}          what `copy` found selected
    {"type": "refused", "code", "detail"}  what was said last was not done: `forbidden` or `bad_address`

Up, from the client; each is done in the order it came, and not answered:

    {"type": "mouse", "action": "move"|"down"|"up", "x", "y", "button"?, "buttons"?, "clicks"?, "modifiers"?}
    {"type": "wheel", "x", "y", "dx"?, "dy"?, "modifiers"?}
    {"type": "key", "action": "down"|"up", "key", "code"?, "repeat"?, "modifiers"?}   names as in KeyboardEvent
    {"type": "text", "text"}               what was typed, composed or pasted. A key's own letter comes this way as well
    {"type": "copy"}                       ask for what is selected
    {"type": "go", "url"}                  http, https, data, blob and about:blank only
    {"type": "back"} {"type": "forward"} {"type": "reload"}
    {"type": "open_tab"} {"type": "close_tab", "tab"}
    {"type": "switch_tab", "tab"}          look at another tab
    {"type": "answer_dialog", "accept", "text"?}
    {"type": "seen"}                       a picture was shown. Optional: who says it is never sent more than two ahead

A new tab is followed: it is what is looked at from then on; when it closes, the one before it is. A viewer may say
`switch_tab` and `seen`. What cannot be understood ends the connection with 1008, as a revoked key does; 1001 is the
browser's end, 1012 the server's.
"""
