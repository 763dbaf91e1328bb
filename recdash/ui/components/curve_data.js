// Hands a message to the curve board of the same name, which draws it; sent every second, so as small as possible.

const boards = (globalThis.recdashBoards ??= new Map());

export default function ({ data }) {
  if (!boards.has(data.board)) boards.set(data.board, { parts: new Map(), changed: null });
  const board = boards.get(data.board);
  board.parts.set(data.part, data);
  board.changed?.();
  return () => {
    if (board.parts.get(data.part) !== data) return;
    board.parts.delete(data.part);
    board.changed?.();
  };
}
