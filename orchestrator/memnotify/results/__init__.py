"""Reading a run: folder, summaries, cells, timelines, frames, comparisons."""
