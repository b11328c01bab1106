"""From a plan to many conversions, and from these to the one to ship.

plan.py      what a plan asks for, as cells: requests of `convert`
digest.py    a cell's name, from all that its result depends on
cell.py      one cell: converted, evaluated, recorded
store.py     where finished cells lie: a folder or a bucket
claims.py    which driver works on a cell
driver.py    sweep(): what is not finished, handed to an engine (evit_mobile/engines)
estimate.py  time and memory of a cell, from those that are finished
results.py   one table of all of them
front.py     best(): those that nothing beats

A sweep's folder, or the same under a URL:

    cells/NAME/       what `convert` writes
    done/NAME.json    the cell's record, written last: a cell is finished where it is there
    failed/NAME.json  why a cell has no result
    claims/, drivers/ who works on which cell, and that he lives
    results.parquet   a row for each file and judge
"""
