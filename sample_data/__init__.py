"""What training and the site's snippets draw from: data that this repository generates itself."""
