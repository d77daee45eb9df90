"""How the page looks: gradio's theme with fonts that every system has, and little CSS of our own."""

from __future__ import annotations

import gradio as gr

from searchdemo.ui.components import plots

THEME = gr.themes.Default(
    primary_hue=gr.themes.colors.indigo,
    neutral_hue=gr.themes.colors.slate,
    radius_size=gr.themes.sizes.radius_lg,
    font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
    font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"],
).set(  # light mode only; gradio's own grey has a contrast of 2.5:1 there, where small text needs 4.5:1
    body_text_color_subdued="*neutral_600",
    input_placeholder_color="*neutral_500",
)

CSS = """
#title h1 { font-size: 1.5rem; margin: 0; letter-spacing: -.02em; }
#title p { margin: 0; color: var(--body-text-color-subdued); }
#badge { font-size: .8rem; color: var(--body-text-color-subdued); line-height: 1.45; }
#badge b { display: inline-block; padding: 0 .5em; border-radius: 1em; font-weight: 600;
  color: var(--primary-600); background: color-mix(in srgb, var(--primary-500) 14%, transparent); }
.dark #badge b { color: var(--primary-300); }
.prose .timing { font-variant-numeric: tabular-nums; font-size: .85rem; color: var(--body-text-color-subdued); }
.prose .timing .notice { color: var(--body-text-color); font-weight: 600; }
.prose .hint { font-size: .85rem; color: var(--body-text-color-subdued); }
input[role=combobox] { text-overflow: ellipsis; margin-right: 1.75rem !important; } /* its arrow lies over it */
.panel { border: 1px solid color-mix(in srgb, var(--primary-500) 40%, transparent); padding: .75rem 1rem;
  border-radius: var(--radius-lg); background: color-mix(in srgb, var(--primary-500) 7%, transparent); }
.narrow { align-self: flex-start !important; flex: none !important; width: auto !important; white-space: nowrap; }
#missing { flex: 1 1 300px; min-width: min(300px, 100%); } /* on a telephone the button goes below the sentence */
/* All tabs in sight on a telephone; on a narrower one gradio folds the last ones into a menu. */
@media (max-width: 480px) {
  #tabs .tab-wrapper { margin-inline-end: -1.6rem; }
  #tabs .tab-container button { padding-inline: .35rem; font-size: .72rem; }
}
.bar { height: 6px; border-radius: 3px; background: var(--border-color-primary); overflow: hidden;
  margin: .3rem 0 .6rem; }
.bar i { display: block; height: 100%; background: var(--primary-500); transition: width .5s; }
.tiles .grid-wrap { height: auto; min-height: 0; max-height: none; overflow: visible; padding: var(--spacing-lg); }
.tiles .grid-container { padding-top: 0; /* at most --grid-cols a row, fewer where there is no room */
  grid-template-columns: repeat(auto-fill, minmax(max(92px, 100% / (var(--grid-cols) + 1)), 1fr)); }
.tiles.examples .grid-container { grid-template-columns: repeat(auto-fill, minmax(64px, 1fr)); }
.tiles .empty { min-height: 8rem; }
.tiles label[data-testid=block-label] { position: static; border: 0; background: none; box-shadow: none; }
.tiles .thumbnail-item { display: flex; flex-direction: column; justify-content: flex-start;
  aspect-ratio: auto; width: 100%; cursor: pointer; }
.tiles:not(.clickable) .thumbnail-item { pointer-events: none; } /* no look as if a click did something */
.tiles .thumbnail-item.thumbnail-item:hover { filter: none; } /* gradio fades picture and caption */
.tiles .grid-wrap .thumbnail-item:hover .caption-label { opacity: 1; }
/* A click starts a query; the selection that gradio draws would outlive it, and selected_index takes no None. */
.tiles .thumbnail-item.selected:not(:hover, :focus-visible) { border-color: var(--border-color-primary);
  --ring-color: transparent; }
.tiles .thumbnail-item img { aspect-ratio: 1; width: 100%; height: auto; }
.tiles .thumbnail-item .caption-label { position: static; max-width: none; height: auto; white-space: normal; border: 0;
  background: none; padding: 2px 3px 4px; font-size: .75rem; line-height: 1.25; text-align: center; }
"""
CSS += plots.CSS
