"""Where new articles come from: files, folders, streams, tables, web pages, datasets."""
