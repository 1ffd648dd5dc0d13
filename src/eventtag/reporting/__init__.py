"""An evaluation report as console text, Markdown and HTML."""
