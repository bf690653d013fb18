"""The one reader of text tables: encodings, separators, decimal commas, preambles, units, and errors with lines."""

from mien.core.text_tables.encoding import read_text
from mien.core.text_tables.errors import TableError
from mien.core.text_tables.numbers import MISSING, NumberFormat, is_missing, number_format
from mien.core.text_tables.table import TextTable, has_columns, listed, numbered_lines, raw_rows, read_table

__all__ = [
    "MISSING",
    "NumberFormat",
    "TableError",
    "TextTable",
    "has_columns",
    "is_missing",
    "listed",
    "number_format",
    "numbered_lines",
    "raw_rows",
    "read_table",
    "read_text",
]
