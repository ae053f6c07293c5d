"""What runs leave on disk, and how it is read: rows and curves in tables, a run's record, its model file.

To others: `load` for readers, `record` and `tables` for writers, `columns` for what a table holds, `files` for whole
files, `environment` for where a run was trained.
"""
