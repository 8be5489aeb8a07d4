"""The fast models of the Agents SDK under one name; importing it loads the SDK. Owns nothing itself."""

from .openai_chat import FastChatModel
from .openai_responses import FastResponsesModel
from .openai_transport import FastTransport

__all__ = ["FastChatModel", "FastResponsesModel", "FastTransport"]
