import asyncio,sys,tempfile,time,json
from pathlib import Path
from collections import Counter
import looptime
from tests.chaos.plan import plan
from tests.chaos.storm import Storm
from tests.chaos.virtual import virtual
from tests.chaos.judge import judge
async def main(seed, seconds):
    with tempfile.TemporaryDirectory() as d:
        async with virtual(Path(d)) as st:
            storm=Storm(st)
            ev=await storm.play(plan(seed,seconds),seconds)
            v=judge(ev)
            print(seed, v.counts(), dict(Counter(str(r.outcome) for r in ev.runs)), st.defects[:3], flush=True)
            for w in v.words()[:8]: print('   ',w)
            return ev
if __name__=='__main__':
    a,b,secs=int(sys.argv[1]),int(sys.argv[2]),float(sys.argv[3])
    for seed in range(a,b):
        t=time.time()
        loop=looptime.new_event_loop()
        asyncio.set_event_loop(loop)
        if True:
            loop.run_until_complete(main(seed,secs))
        print('   took',round(time.time()-t,1))
