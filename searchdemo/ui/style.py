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
).set(  # text needs a contrast of 4.5:1, which gradio's own grey and its lighter indigo do not have in light mode
    body_text_color_subdued="*neutral_600",
    input_placeholder_color="*neutral_500",
    color_accent="*primary_600",
    button_primary_background_fill="*primary_600",
    button_primary_background_fill_hover="*primary_700",
)
