"""Pictures drawn by code: a Scene says what is in one, `draw` makes its pixels, `describe` its captions."""
