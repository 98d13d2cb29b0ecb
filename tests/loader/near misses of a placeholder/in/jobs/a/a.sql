SELECT ${not_touched}, ${values.neither};
