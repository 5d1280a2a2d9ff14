"""Imports the modules named, all of them, and says which cannot be."""
import importlib
import sys
import traceback

# Not the folder of this script but that of the service, as `python -m` has it.
sys.path[0] = ""
failed = []
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed.append(name)
        traceback.print_exc()
        print("`%s` cannot be imported: %s: %s" % (name, type(error).__name__, error), file=sys.stderr)
if failed:
    sys.exit("the smoke test failed: " + ", ".join(failed))
