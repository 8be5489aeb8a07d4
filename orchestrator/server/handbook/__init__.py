"""The handbook as the service shows it: Markdown to HTML, and the document around it. The words are not here."""
