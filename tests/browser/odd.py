"""Answers as no one would write them: three and more of each kind that a parser or a layout stumbles over."""

from __future__ import annotations

ODD = {
    # quotes and emphasis
    "quotes-without-end": ">" * 2_000,
    "quotes-and-items": "> - " * 1_500,
    "quotes-that-change": "\n".join("> " * (n % 40) + "said" for n in range(800)),
    "crossed-emphasis": "*a **b " * 2_300,
    "stars-around-a-word": "*" * 3_000 + "a" + "*" * 3_000,
    "underscores-and-stars": "_*__**~~" * 1_500,
    # lists
    "numbers-in-numbers": "1. " * 2_000,
    "lists-in-lists": "\n".join(f"{'  ' * n}- x" for n in range(300)),
    "items-of-each-sign": "\n".join(f"{' ' * (n % 90)}{'-+*'[n % 3]} {n}" for n in range(3_000)),
    "items-of-one-letter": "- x\n" * 5_000,
    "items-with-fences": "\n".join(f"{' ' * 2 * n}- a\n{' ' * 2 * n}  ```" for n in range(60)),
    # links and brackets
    "brackets-in-brackets": "[" * 4_000 + "a" + "](b)" * 4_000,
    "exclamations-and-brackets": "![" * 5_000 + "[[" * 3_000 + "]]" * 3_000,
    "links-in-links": "[a](b" * 3_000,
    "images-in-links": "[![" * 2_000 + "x" + "](y)](z)" * 2_000,
    "definitions": "\n".join(f"[{n}]: <{'a' * 50}> '{n}'" for n in range(2_000)) + "\n\n" + "[1][2]" * 3_000,
    "addresses": "https://example.com/?" + "&a=(" * 5_000,
    # footnotes
    "footnotes": "\n\n".join(f"Said[^{n}].\n\n[^{n}]: Because[^{n + 1}]." for n in range(900)),
    "a-footnote-of-itself": "[^a]: [^a] [^a]: " * 1_000,
    "marks-without-notes": "[^" * 5_000 + "]" * 5_000,
    # tables
    "a-wide-table": "|a" * 1_500 + "|\n" + "|-" * 1_500 + "|\n" + ("|b" * 1_500 + "|\n") * 3,
    "a-table-of-signs": "| a |\n| - |\n" + "| **`|` \\| [x](y) |\n" * 2_000,
    "a-table-without-end": "|a|b|\n|-|-|\n|" + "c|" * 30_000,
    "heads-without-rows": "|a|b|\n|-|-|\n\n" * 700,
    "tables-in-quotes": "\n".join(
        f"{'> ' * (n % 30)}{row}" for n in range(600) for row in ("| a |", "| - |", "| b |")
    ),
    # long lines
    "one-word": "x" * 1_000_000,
    "one-line": "word and **more** of it, " * 40_000,
    "one-line-of-code": "```js\n" + "f(1);" * 100_000 + "\n```",
    # signs that are not seen, and directions
    "no-width": "a\u200b\u200d\ufeff\u2060" * 10_000,
    "directions": "\u202e\u2066abc\u202d\u2067" * 4_000,
    "returns": "one\rtwo\r\n\rthree\r\r\n" * 3_000,
    "signs-that-steer": "\0\x07\x08\x0b\x0c\x1b[31mred\x1b[0m\x85" * 2_000,
    "marks-on-marks": ("Z" + "\u0300\u0489\u0360" * 60) * 100,
    "families": "👩‍👩‍👧‍👦🏳️‍🌈" * 2_000 + "\ud83d",
    # what looks like HTML
    "elements-in-elements": "<div><b><p>" * 2_000 + "</p>" * 900,
    "tags-that-never-end": "<a href='" + '<a href="' * 3_000,
    "entities": "&amp;&#x1F600;&lt;&nosuch;" * 2_500 + "&" * 5_000,
    "comments": "<!-- " * 2_000 + "<![CDATA[" * 1_000 + "<?" * 1_000,
    "svg-and-math": "<svg><math><mtext><table><mglyph><style>" * 400,
    # formulas
    "a-formula-without-end": "$$\n" + "\\frac{a}{" * 2_000,
    "a-formula-in-itself": "$$" + "{" * 3_000 + "x" + "}" * 3_000 + "$$",
    "dollars": "$a$b" * 4_000 + "$" * 4_001,
    "an-unknown-environment": "\\begin{no}" * 800 + "\n\n\\[ \\end{align} \\left( \\]",
    "a-macro-of-itself": "$$\\def\\a{\\a\\a}\\a$$\n\n$\\newcommand{\\b}[1]{\\b{#1#1}}\\b{x}$",
    "a-huge-matrix": "$$\\begin{matrix}" + "a&b\\\\" * 3_000 + "\\end{matrix}$$",
    # code
    "fences-in-fences": "".join("`" * (3 + n % 50) + "\n" for n in range(1_000)),
    "ticks-of-each-length": " ".join("`" * n + "a" for n in range(1, 300)),
    "ticks": "`" * 4_000 + "a" + "``" * 4_000,
}
"""Name → answer. Each is followed by words of its own, which have to be seen."""
