import sys
from tests.compare.faulting import Plan, run
from tests.compare.faults import Fault
from tests.compare.systems import named, scaled
from tests.compare.observations import figures
from tests.localcluster import ProgressLine
if __name__ == "__main__":
    sc=float(sys.argv[3])
    with ProgressLine(stream=sys.stderr) as p:
        seen=run(Plan([scaled(s,sc) for s in named(sys.argv[1].split(","))],[Fault(f) for f in sys.argv[2].split(",")],2,sc),progress=p)
    for n,eps in seen.episodes.items():
        for f,e in eps.items(): print(n,f,figures(seen.rounds[n],struck=e.struck,living=e.living,since=e.since,until=e.until))
