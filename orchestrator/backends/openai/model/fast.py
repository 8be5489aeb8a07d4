"""The fast models of the Agents SDK under one name; importing it loads the SDK. Owns nothing itself."""

from .chat.model import FastChatModel
from .responses.model import FastResponsesModel
from .transport import FastTransport

__all__ = ["FastChatModel", "FastResponsesModel", "FastTransport"]
