"""`python -m dynakv.admin` is the `dynakv-admin` command."""

from dynakv.admin.main import main

main()
