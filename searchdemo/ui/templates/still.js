(told, ...now) => (JSON.stringify(told?.of) === JSON.stringify(now) ? told.html : '') // else it is of what was chosen before
