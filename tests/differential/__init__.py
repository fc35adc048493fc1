"""Programs that compare the importer with git on patches that nobody made for it."""
