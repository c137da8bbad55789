"""Corporate actions: which are to be judged, what was judged of them, what follows for bars.

pending    actions whose verdict may be another now, and the bars around them
verdicts   `action_verdicts`: kept, revised, read
steps      `adjustment_steps` of the securities that verdicts touch
amounts    dividends compared with those before
overrides  what the owner added and removed
"""
