"""The workbench: a web server for one folder on one machine, and the pages that it shows. Rank 7.

Pages ask an HTTP interface that anyone can use (:mod:`pondera.workbench.routes` is its list, ``/api/openapi.json`` its
description). What takes long is asked of the commands themselves, in processes beside the server
(:mod:`pondera.workbench.questions`), so that a page and a command line cannot disagree.
"""
