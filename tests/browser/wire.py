"""Streamlit's WebSocket without a browser: runs of a page's script, and what they draw.

The protocol is internal to Streamlit, which is one reason why requirements.txt pins it.
"""

from websockets.sync.client import connect


class Session:
    """A visitor of a page (path "" or "evaluate", query "split=test"); `elements`: what the last run drew.

    sliders: by their names in the address: (id, id of the fragment that they stand in, "" for none)
    """

    def __init__(self, port: int, path: str = "", query: str = ""):
        self.path, self.query, self.page_hash = path, query, ""
        self.elements: list = []  # of Element, Streamlit's message for one thing on the page
        self.sliders: dict[str, tuple[str, str]] = {}
        self.connection = connect(
            f"ws://127.0.0.1:{port}/_stcore/stream",
            subprotocols=["streamlit"],
            origin=f"http://127.0.0.1:{port}",
            max_size=None,
            compression=None,
            proxy=None,
        )

    def __enter__(self) -> "Session":
        self.socket = self.connection.__enter__()
        return self

    def __exit__(self, *failure: object) -> None:
        self.connection.__exit__(*failure)

    def run(self) -> "Session":
        """Run the page's script once, to its end, as a click does that changes nothing."""
        return self._ask()

    def move(self, name: str, to: str) -> "Session":
        """Move a slider over words, by its name in the address; in a fragment, that alone runs."""
        slider, fragment = self.sliders[name]
        return self._ask(slider, to, fragment)

    def _ask(self, slider: str = "", to: str = "", fragment: str = "") -> "Session":
        from streamlit.proto.BackMsg_pb2 import BackMsg
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        ask = BackMsg()
        ask.rerun_script.query_string = self.query
        ask.rerun_script.fragment_id = fragment
        if slider:
            ask.rerun_script.widget_states.widgets.add(id=slider).string_array_value.data.append(to)
        if self.page_hash:
            ask.rerun_script.page_script_hash = self.page_hash
        else:
            ask.rerun_script.page_name = self.path
        self.socket.send(ask.SerializeToString())
        self.elements = []
        while True:
            message = ForwardMsg()
            message.ParseFromString(self.socket.recv(timeout=60))
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.page_hash = message.new_session.page_script_hash
            elif kind == "navigation":
                self.page_hash = message.navigation.page_script_hash
            elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                element = message.delta.new_element
                self.elements.append(element)
                if element.HasField("slider"):
                    place = element.slider.id, message.delta.fragment_id
                    self.sliders[element.slider.query_param_key] = place
            elif kind == "script_finished":
                return self

    def kinds(self) -> list[str]:
        """The kinds of the elements drawn: "heading", "selectbox", "exception" …"""
        return [element.WhichOneof("type") for element in self.elements]

    def errors(self) -> list[str]:
        """What the page complained of in the last run: exceptions, and alerts drawn as errors."""
        found = [element.exception.message for element in self.elements if element.HasField("exception")]
        alerts = [element.alert for element in self.elements if element.HasField("alert")]
        return found + [alert.body for alert in alerts if alert.format == alert.ERROR]
