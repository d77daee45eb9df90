"""How the page looks: gradio's theme with fonts that every system has, and our own CSS."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

CSS = "\n".join(path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parent / "css").glob("*.css")))

THEME = gr.themes.Default(
    primary_hue=gr.themes.colors.indigo,
    neutral_hue=gr.themes.colors.slate,
    radius_size=gr.themes.sizes.radius_lg,
    font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
    font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"],
).set(  # for light mode: gradio's own grey has a contrast of 2.5:1 there, but small text needs 4.5:1
    body_text_color_subdued="*neutral_600", input_placeholder_color="*neutral_500"
)
