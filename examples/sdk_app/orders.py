"""An MCP server over stdio: the shop's orders. Runs as a program of its own."""

from mcp.server import MCPServer

server = MCPServer("orders")


@server.tool()
def look_up(order: str) -> str:
    """Say where an order is.

    Args:
        order: Its number.
    """
    return f"Order {order} is on its way."


if __name__ == "__main__":
    server.run()
