// The screen is painted once a frame, however fast events come.

/** A function that asks for `paint` to be called at the next frame; asking again before that does nothing. */
export function everyFrame(paint) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      paint();
    });
  };
}
