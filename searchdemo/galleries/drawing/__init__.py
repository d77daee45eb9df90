"""Pictures drawn by code: a Scene lists the content of one, `draw` makes its pixels, `describe` its captions."""
