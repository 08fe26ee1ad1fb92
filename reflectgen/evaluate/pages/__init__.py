"""Reports as pages: a document of headings, tables, pictures and listings, made once and written as HTML or Markdown.

Names, answers and texts come from models and files, and are never markup: both writers escape all that they are given.
"""
