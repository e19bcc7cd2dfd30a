package wire

// What a [Response] says in Result: 0 is success, numbers above 0 are the
// application's own, those below 0 are Troupe's and numbered for ever.
const (
	ResultOK         int32 = 0   // done
	ResultInternal   int32 = -1  // the handler failed
	ResultUnknown    int32 = -2  // no handler has this operation code
	ResultBadRequest int32 = -3  // the handler could not read the request
	ResultRate       int32 = -4  // too many operations; this one was not run
	ResultUnanswered int32 = -5  // the handler returned without an answer
	ResultNotMember  int32 = -6  // the sender is not a member of the group
	ResultConflict   int32 = -7  // the properties are not as expected
	ResultDenied     int32 = -8  // the sender may not do this
	ResultOverloaded int32 = -9  // the server has no room for it
	ResultClosed     int32 = -10 // the session ended first; never on the wire
)
